"""What is allowed: Cedar rules and their schema; engine.py is their only reader."""
