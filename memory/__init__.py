"""What is remembered: records on disk, weaknesses and questions in Chroma."""
