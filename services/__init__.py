"""The services of Stillhouse."""
