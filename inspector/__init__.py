"""What people look at: the terminal, report.html, doctor."""
