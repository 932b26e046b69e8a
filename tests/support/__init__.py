"""What tests of several rooms share: crafted packets, captures of them, sessions, and ways to run the program."""
