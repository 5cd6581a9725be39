"""Rights of the data subject: access, and the history of an event and of a consent."""
