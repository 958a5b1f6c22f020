"""How fast models compute on the planned devices: measured with the models themselves, or by formula."""
