"""One file for each role of a worker process, and the frame that all of them share."""
