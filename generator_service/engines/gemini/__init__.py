"""The Gemini engine."""
