"""Where backups are kept: a folder, or a bucket of a store that speaks S3."""
