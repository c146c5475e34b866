"""The swarm's door to the world: webhooks, Slack's clicks and unsubscribe links come in here."""
