/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void fill(struct image *image, const uint32_t (*pairs)[2], size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(image_add(image, &pairs[i][0], &pairs[i][1]), 0);
	image_sort(image);
}

static void assert_record(const struct image *image, size_t index, uint32_t key, uint32_t value)
{
	assert_int_equal(*(const uint32_t *)image_key(image, index), key);
	assert_int_equal(*(const uint32_t *)image_value(image, index), value);
}

static void difference_puts_new_and_changed_and_drops_the_rest(void **state)
{
	static const uint32_t before[][2] = { { 1, 10 }, { 2, 20 }, { 3, 30 }, { 9, 90 } };
	static const uint32_t after[][2] = { { 5, 50 }, { 3, 31 }, { 2, 20 } };
	struct image have = IMAGE(uint32_t, uint32_t), want = IMAGE(uint32_t, uint32_t);
	struct image put = IMAGE(uint32_t, uint32_t), drop = IMAGE(uint32_t, uint32_t);

	fill(&have, before, 4);
	fill(&want, after, 3);
	assert_int_equal(image_diff(&have, &want, &put, &drop), 0);
	assert_int_equal(put.count, 2);
	assert_record(&put, 0, 3, 31);
	assert_record(&put, 1, 5, 50);
	assert_int_equal(drop.count, 2);
	assert_record(&drop, 0, 1, 10);
	assert_record(&drop, 1, 9, 90);
	image_clear(&have);
	image_clear(&want);
	image_clear(&put);
	image_clear(&drop);
}

static void equal_images_differ_in_nothing(void **state)
{
	static const uint32_t pairs[][2] = { { 1, 10 }, { 2, 20 } };
	struct image have = IMAGE(uint32_t, uint32_t), want = IMAGE(uint32_t, uint32_t);
	struct image put = IMAGE(uint32_t, uint32_t), drop = IMAGE(uint32_t, uint32_t);

	fill(&have, pairs, 2);
	fill(&want, pairs, 2);
	assert_int_equal(image_diff(&have, &want, &put, &drop), 0);
	assert_int_equal(put.count + drop.count, 0);
	image_clear(&have);
	image_clear(&want);
}

static void a_key_added_twice_is_kept_once(void **state)
{
	static const uint32_t pairs[][2] = { { 7, 1 }, { 3, 2 }, { 7, 1 }, { 7, 1 } };
	struct image image = IMAGE(uint32_t, uint32_t);

	fill(&image, pairs, 4);
	assert_int_equal(image.count, 2);
	assert_record(&image, 0, 3, 2);
	assert_record(&image, 1, 7, 1);
	image_clear(&image);
}

static void a_key_is_found_in_a_sorted_image(void **state)
{
	struct image image = IMAGE(uint32_t, uint32_t);

	for (uint32_t i = 0; i < 100; i++) {
		uint32_t key = (i * 37) % 100 * 2;

		assert_int_equal(image_add(&image, &key, &i), 0);
	}
	image_sort(&image);
	for (uint32_t key = 0; key < 200; key++) {
		long index = image_find(&image, &key);

		assert_true(key % 2 ? index == -ENOENT
				    : *(const uint32_t *)image_key(&image, (size_t)index) == key);
	}
	image_clear(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(difference_puts_new_and_changed_and_drops_the_rest),
		cmocka_unit_test(equal_images_differ_in_nothing),
		cmocka_unit_test(a_key_added_twice_is_kept_once),
		cmocka_unit_test(a_key_is_found_in_a_sorted_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
