/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_matrix.h"

#include <netinet/in.h>

#include "base/util.h"
#include "policy_show.h"

#define CELL_TEXT_MAX 9 /* bytes that stand in a cell; what is longer becomes a key */

const struct policy_cohort *matrix_group(const struct matrix *matrix, size_t at)
{
	return &matrix->groups->items[matrix->shown[at]];
}

const struct matrix_cell *matrix_cell(const struct matrix *matrix, size_t from, size_t to)
{
	return &matrix->cells[from * matrix->count + to];
}

const char *matrix_key_name(size_t key, char buf[static MATRIX_LABEL_MAX])
{
	char name[MATRIX_LABEL_MAX];
	size_t at = sizeof(name) - 1;

	name[at] = '\0';
	for (; key; key = (key - 1) / 26)
		name[--at] = (char)('a' + (key - 1) % 26);
	return strcpy(buf, &name[at]);
}

const char *matrix_label(const struct matrix_cell *cell, char buf[static MATRIX_LABEL_MAX])
{
	if (cell->state == CELL_NOTHING)
		return ".";
	if (cell->state == CELL_NONE)
		return "-";
	return cell->key ? matrix_key_name(cell->key, buf) : cell->text;
}

/* ---- filling cells */

static bool allows(const struct policy_ports *ports, const struct policy_probe *probe)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->items[i].protocol == probe->protocol &&
		    ports->items[i].first <= probe->port && probe->port <= ports->items[i].last)
			return true;
	return false;
}

/* Families in which the probe's protocol is spoken. */
static unsigned int probe_families(const struct policy_probe *probe)
{
	for (size_t s = 0; s < POLICY_PORT_SPACES; s++)
		if (policy_port_spaces[s].protocol == probe->protocol)
			return policy_port_spaces[s].families;
	return 0;
}

static enum cell_state state_of(const struct matrix *matrix, const struct policy_ports *ports,
				unsigned int families)
{
	if (matrix->probe)
		return allows(ports, matrix->probe) ? CELL_ALL : CELL_NONE;
	if (!ports->count)
		return CELL_NONE;
	return policy_ports_is_all(ports, families) ? CELL_ALL : CELL_SOME;
}

static char *part_text(const struct matrix *matrix, const struct policy_ports *ports,
		       unsigned int families)
{
	if (matrix->probe)
		return strdup(allows(ports, matrix->probe) ? "yes" : "no");
	return policy_ports_format(ports, families);
}

static int fill_parts(const struct matrix *matrix, struct matrix_cell *cell)
{
	char *texts[2] = { NULL, NULL };
	enum cell_state states[2];
	size_t count = 0, last = 0;
	int r = 0;

	for (size_t v = 0; v < 2; v++) {
		unsigned int families = cell->ports.families[v];

		if (!families || (matrix->probe && !(families & probe_families(matrix->probe))))
			continue;
		states[v] = state_of(matrix, &cell->ports.ports[v], families);
		texts[v] = part_text(matrix, &cell->ports.ports[v], families);
		r = texts[v] ? r : -ENOMEM;
		count++;
		last = v;
	}
	if (!r && count == 1) {
		cell->state = states[last];
		cell->text = take_ptr(texts[last]);
	} else if (!r && count == 2) {
		cell->state = states[0] == states[1] ? states[0] : CELL_SOME;
		if (asprintf(&cell->text, "IPv4: %s, IPv6: %s", texts[0], texts[1]) < 0) {
			cell->text = NULL;
			r = -ENOMEM;
		}
	}
	free(texts[0]);
	free(texts[1]);
	return r;
}

static int fill_cell(struct matrix *matrix, size_t from, size_t to)
{
	struct matrix_cell *cell = &matrix->cells[from * matrix->count + to];
	const struct policy_cohort *source = matrix_group(matrix, from);
	const struct policy_cohort *target = matrix_group(matrix, to);
	int r;

	if (!policy_cohorts_meet(source, target))
		return 0;
	r = policy_cell_make(source, target, 0, &cell->ports);
	return r ? r : fill_parts(matrix, cell);
}

static int give_key(struct matrix *matrix, struct matrix_cell *cell)
{
	char **keys;

	if (!cell->text || strlen(cell->text) <= CELL_TEXT_MAX || cell->state == CELL_NONE)
		return 0;
	for (size_t i = 0; i < matrix->key_count; i++)
		if (strcmp(matrix->keys[i], cell->text) == 0) {
			cell->key = i + 1;
			return 0;
		}
	keys = reallocarray(matrix->keys, matrix->key_count + 1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	matrix->keys = keys;
	keys[matrix->key_count++] = cell->text;
	cell->key = matrix->key_count;
	return 0;
}

static bool is_shown(const struct policy_cohort *group, const char *namespace)
{
	return !namespace || group->kind != POLICY_COHORT_PODS ||
	       strcmp(group->pods[0]->namespace, namespace) == 0;
}

int matrix_new(const struct policy_cohorts *groups, const char *namespace,
	       const struct policy_probe *probe, struct matrix **ret)
{
	_cleanup_(matrix_freep) struct matrix *matrix = calloc(1, sizeof(*matrix));
	int r = 0;

	if (!matrix)
		return -ENOMEM;
	matrix->groups = groups;
	matrix->probe = probe;
	matrix->shown = calloc(groups->count + 1, sizeof(*matrix->shown));
	if (!matrix->shown)
		return -ENOMEM;
	for (size_t i = 0; i < groups->count; i++)
		if (is_shown(&groups->items[i], namespace))
			matrix->shown[matrix->count++] = i;
	matrix->cells = calloc(matrix->count * matrix->count + 1, sizeof(*matrix->cells));
	if (!matrix->cells)
		return -ENOMEM;
	for (size_t i = 0; !r && i < matrix->count * matrix->count; i++) {
		r = fill_cell(matrix, i / matrix->count, i % matrix->count);
		if (!r)
			r = give_key(matrix, &matrix->cells[i]);
	}
	if (r < 0)
		return r;
	*ret = take_ptr(matrix);
	return 0;
}

void matrix_free(struct matrix *matrix)
{
	if (!matrix)
		return;
	for (size_t i = 0; matrix->cells && i < matrix->count * matrix->count; i++) {
		free(matrix->cells[i].text);
		policy_cell_fini(&matrix->cells[i].ports);
	}
	free(matrix->cells);
	free(matrix->shown);
	free(matrix->keys);
	free(matrix);
}
