// Show openapi.json. Both files come from this service; nothing is loaded from elsewhere.
SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
