"""`whitebg admin`: control of the queue, the tasks of all users, the users and their keys."""
