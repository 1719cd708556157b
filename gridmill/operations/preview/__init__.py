"""What a change would do, told before it is done; and the plan that binds what was approved to what runs."""
