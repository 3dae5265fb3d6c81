"""A run as one page that anybody can open: charts, ratings, games, settings, and where from."""
