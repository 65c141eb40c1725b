package transfer

import "sync"

// queue holds what is to be done. Directories come first, so that the whole is
// known early, unless very many files wait already; the newest comes first, so
// that the queue stays as small as the tree is narrow.
type queue struct {
	mu     sync.Mutex
	change sync.Cond
	dirs   []*task
	files  []*task
	busy   int // tasks under way that may bring others
	closed bool
}

// manyFiles is when files come before directories.
const manyFiles = 20000

func newQueue() *queue {
	q := &queue{}
	q.change.L = &q.mu
	return q
}

func (q *queue) add(dirs, files []*task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dirs = append(q.dirs, dirs...)
	q.files = append(q.files, files...)
	q.change.Broadcast()
}

// take waits for a task; nil when all is done or the queue closed. done must
// be called after it.
func (q *queue) take() *task {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed:
			return nil
		case len(q.dirs) > 0 && len(q.files) < manyFiles:
			return q.pop(&q.dirs)
		case len(q.files) > 0:
			return q.pop(&q.files)
		case q.busy == 0:
			q.change.Broadcast()
			return nil
		}
		q.change.Wait()
	}
}

// pop takes the last one. The caller holds mu.
func (q *queue) pop(list *[]*task) *task {
	last := len(*list) - 1
	t := (*list)[last]
	(*list)[last] = nil
	*list = (*list)[:last]
	q.busy++
	return t
}

func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy--
	q.change.Broadcast()
}

// close throws away what waits.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.change.Broadcast()
}
