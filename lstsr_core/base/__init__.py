"""What everything rests on: errors, files, the project's places,
progress, many processes, what results come from."""
