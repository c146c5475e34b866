"""Many queens on one database: who lives, who has what in hand, and how one goes on for another."""
