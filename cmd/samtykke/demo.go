package main

type demoCmd struct{ dataFlag }
func (c *demoCmd) Run(env *surroundings) error { return nil }
