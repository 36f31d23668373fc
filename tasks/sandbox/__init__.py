"""Running a program that nobody has read, so that it can do nothing but compute."""
