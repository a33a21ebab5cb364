"""What a person does to a loop: activate, pause, approve, look, recover; the command line only calls this."""
