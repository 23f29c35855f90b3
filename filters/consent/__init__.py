"""Whether those whose pages and images these are consent: evidence, a policy, a verdict. Pure."""
