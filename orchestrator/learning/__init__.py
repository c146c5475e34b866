"""What people do with the bank: look, act, label, promote; and how right it has been."""
