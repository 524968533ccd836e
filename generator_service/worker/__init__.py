"""The worker: claims tasks, runs engines, records outcomes; and periodic maintenance."""
