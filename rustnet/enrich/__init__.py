"""What is added to flows from tables that come with the program or from the capture itself."""
