package guest
func Main() { for { } }
