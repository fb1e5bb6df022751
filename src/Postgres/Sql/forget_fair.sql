-- Forgets the fairness that has been switched off and has no job left; how many queues that were.
select jobs.forget_fair()
