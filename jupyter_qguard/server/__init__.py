"""The Jupyter Server face."""
