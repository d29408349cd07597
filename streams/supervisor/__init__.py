"""All roles of one machine as child processes: started, watched, started again, stopped in order."""
