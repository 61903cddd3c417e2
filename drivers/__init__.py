"""What one instrument means by its messages: profiles and their interpretation."""
