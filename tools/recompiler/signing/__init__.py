"""Keys, and making and signing files: what a person or a KMS does before anything is trusted."""
