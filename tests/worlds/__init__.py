"""What tests stand on: builders of pairs, granules, runs, archives, books; fixtures: conftest.py."""
