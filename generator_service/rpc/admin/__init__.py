"""The API for operators: `whitebg.v1.AdminService`."""
