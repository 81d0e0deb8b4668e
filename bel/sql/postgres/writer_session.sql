-- Appends are planned once: their cost never asks for another plan, but the planner would make one each time.
SET plan_cache_mode = force_generic_plan
