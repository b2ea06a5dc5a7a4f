"""See why a video network said what it said."""
