-- On the session's own connection: what others of this installation signal (jobs.signal) arrives there. The channel has the schema's name.
listen "{schema}"
