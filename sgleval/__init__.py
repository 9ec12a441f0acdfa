"""Evaluate vision-language models on visual question answering with SGLang programs."""
