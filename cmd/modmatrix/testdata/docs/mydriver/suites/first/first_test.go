package first
