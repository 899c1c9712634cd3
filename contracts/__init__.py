"""What crosses a boundary: frozen models, canonical JSON and the one data converter. Imports nothing of ours."""
