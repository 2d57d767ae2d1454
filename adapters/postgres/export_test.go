package postgres

import "context"

// Settings gives a setting of the server as the connections of the readers and of the writer have it. Nobody may append meanwhile.
func (s *Store) Settings(ctx context.Context, name string) (values []string, err error) {
	const query = "SELECT current_setting($1)"
	var reader, writer string
	if err := s.pool.QueryRow(ctx, query, name).Scan(&reader); err != nil {
		return nil, err
	}
	err = s.writer.conn.QueryRow(ctx, query, name).Scan(&writer)
	return []string{reader, writer}, err
}
