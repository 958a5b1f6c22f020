"""Label Studio over REST: send a run's questions to a project as tasks, and take the answers back as votes."""
