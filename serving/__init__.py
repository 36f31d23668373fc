"""The vLLM server and the client that asks it."""
