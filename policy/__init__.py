"""The CrossGuard policy pack: Gridmill's rules as Pulumi's engine asks them."""
