"""Where frames come from: capture files, pipes and live interfaces, all as `Frames` batches."""
