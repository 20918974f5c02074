"""The broker room: values that must be kept, and the stores that hold them."""
