package keyring

// HoldsKeyAt tells whether a wrapped key is in memory under an entry's number.
func (f *FileRing) HoldsKeyAt(number uint32) bool {
	f.table.mu.RLock()
	defer f.table.mu.RUnlock()
	return *f.table.wrapped.at(slot(number)) != wrappedKey{}
}
