"""What tests stand on: pairs, granules, runs, archives, books. Builders are
here; the session's fixtures are in conftest.py."""
