"""The panes of the dashboard: each file one widget, a pure function of the state it is shown."""
