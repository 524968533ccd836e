"""`make soak`: steady load with retention on, during which nothing may grow."""
