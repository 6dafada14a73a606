/* SPDX-License-Identifier: MIT */
/* FFmpeg's libraries, opened when the first video is: no program is linked to them, and one that opens no video never pays for
 * them. The calls that are used are members of struct av under their own names: av->avformat_open_input(...).
 *
 * Filters, devices and resampling bring many libraries of their own and are opened by their own calls; until then their members are
 * NULL. What FFmpeg has to say goes nowhere but into av_load_reason's texts (its log has one receiver per process, which is ours
 * once a video was opened; a host that wants its own sets it again). */
#ifndef FM_MEDIA_AV_LOAD_H
#define FM_MEDIA_AV_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavdevice/avdevice.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/audio_fifo.h>
#include <libavutil/avstring.h>
#include <libavutil/channel_layout.h>
#include <libavutil/display.h>
#include <libavutil/dovi_meta.h>
#include <libavutil/hdr_dynamic_metadata.h>
#include <libavutil/imgutils.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>

#include "framemill/error.h"

/* clang-format off */
#define AV_LOAD_UTIL(X) \
    X(av_audio_fifo_alloc) X(av_audio_fifo_free) X(av_audio_fifo_read) X(av_audio_fifo_size) X(av_audio_fifo_write) \
    X(av_get_bytes_per_sample) X(av_get_packed_sample_fmt) X(av_samples_set_silence) \
    X(av_buffer_alloc) X(av_buffer_create) X(av_buffer_pool_get) X(av_buffer_pool_init) \
    X(av_buffer_pool_uninit) X(av_buffer_ref) X(av_buffer_unref) \
    X(av_channel_layout_copy) X(av_channel_layout_default) X(av_channel_layout_describe) X(av_channel_layout_uninit) \
    X(av_chroma_location_name) X(av_color_primaries_name) X(av_color_range_name) X(av_color_space_name) X(av_color_transfer_name) \
    X(av_compare_ts) X(av_dict_copy) X(av_dict_count) X(av_dict_free) X(av_dict_get) X(av_dict_set) X(av_dict_set_int) \
    X(av_display_rotation_get) X(av_frame_alloc) X(av_frame_copy) X(av_frame_copy_props) X(av_frame_free) \
    X(av_frame_get_buffer) X(av_frame_get_side_data) X(av_frame_make_writable) X(av_frame_move_ref) \
    X(av_frame_new_side_data) X(av_frame_new_side_data_from_buf) X(av_frame_ref) X(av_frame_remove_side_data) X(av_frame_unref) \
    X(av_free) X(av_freep) X(av_get_bits_per_pixel) X(av_get_media_type_string) X(av_get_pix_fmt) X(av_get_pix_fmt_name) \
    X(av_get_sample_fmt_name) X(av_image_copy_plane) X(av_log_set_callback) X(av_log_format_line2) X(av_malloc) X(av_mallocz) X(av_memdup) \
    X(av_opt_find) X(av_opt_get) X(av_opt_get_int) X(av_opt_next) X(av_opt_set) X(av_opt_set_dict2) X(av_opt_set_int) \
    X(av_pix_fmt_count_planes) X(av_pix_fmt_desc_get) \
    X(av_pix_fmt_desc_get_id) X(av_pix_fmt_desc_next) X(av_read_image_line2) X(av_reduce) X(av_rescale_q) X(av_rescale_q_rnd) \
    X(av_rescale_rnd) X(av_strdup) X(av_strerror) X(av_version_info)
#define AV_LOAD_CODEC(X) \
    X(avcodec_decode_subtitle2) X(avcodec_descriptor_get_by_name) X(avcodec_encode_subtitle) \
    X(avcodec_find_best_pix_fmt_of_list) X(avsubtitle_free) \
    X(av_bsf_alloc) X(av_bsf_free) X(av_bsf_get_by_name) X(av_bsf_init) X(av_bsf_receive_packet) X(av_bsf_send_packet) \
    X(av_codec_is_decoder) X(av_codec_is_encoder) X(av_codec_iterate) X(av_get_profile_name) X(av_new_packet) \
    X(av_packet_add_side_data) X(av_packet_alloc) X(av_packet_clone) X(av_packet_copy_props) X(av_packet_free) \
    X(av_packet_get_side_data) X(av_packet_make_refcounted) X(av_packet_move_ref) X(av_packet_new_side_data) X(av_packet_ref) \
    X(av_packet_rescale_ts) X(av_packet_unref) X(avcodec_alloc_context3) X(avcodec_descriptor_get) X(avcodec_find_decoder) \
    X(avcodec_find_decoder_by_name) X(avcodec_find_encoder) X(avcodec_find_encoder_by_name) X(avcodec_flush_buffers) \
    X(avcodec_free_context) X(avcodec_get_class) X(avcodec_get_name) X(avcodec_open2) X(avcodec_profile_name) X(avcodec_parameters_alloc) \
    X(avcodec_parameters_copy) X(avcodec_parameters_free) X(avcodec_parameters_from_context) X(avcodec_parameters_to_context) \
    X(avcodec_receive_frame) X(avcodec_receive_packet) X(avcodec_send_frame) X(avcodec_send_packet)
#define AV_LOAD_FORMAT(X) \
    X(av_codec_get_tag2) X(av_filename_number_test) X(av_get_frame_filename) X(av_guess_codec) \
    X(av_codec_get_id) X(av_codec_get_tag) X(av_find_best_stream) X(av_find_input_format) X(av_guess_format) \
    X(av_guess_frame_rate) X(av_guess_sample_aspect_ratio) X(av_interleaved_write_frame) X(av_read_frame) X(av_seek_frame) \
    X(av_stream_add_side_data) X(av_stream_get_parser) X(av_stream_get_side_data) X(av_stream_new_side_data) X(av_write_frame) \
    X(av_write_trailer) X(avformat_alloc_context) X(avformat_alloc_output_context2) X(avformat_close_input) \
    X(avformat_find_stream_info) X(avformat_flush) X(avformat_free_context) X(avformat_get_class) X(avformat_init_output) \
    X(avformat_network_init) X(avformat_new_stream) X(avformat_open_input) X(avformat_query_codec) X(avformat_seek_file) \
    X(avformat_write_header) X(avio_alloc_context) X(avio_close) X(avio_closep) X(avio_close_dyn_buf) X(avio_context_free) \
    X(avio_find_protocol_name) X(avio_flush) X(avio_open2) X(avio_open_dyn_buf) X(avio_read) X(avio_seek) X(avio_size) X(avio_write)
#define AV_LOAD_SCALE(X) \
    X(sws_alloc_context) X(sws_freeContext) X(sws_getCoefficients) X(sws_init_context) X(sws_isSupportedInput) X(sws_scale) \
    X(sws_scale_frame) X(sws_setColorspaceDetails)
#define AV_LOAD_FILTER(X) \
    X(av_buffersink_get_frame_flags) X(av_buffersink_get_time_base) X(av_buffersrc_add_frame_flags) \
    X(avfilter_get_by_name) X(avfilter_graph_alloc) X(avfilter_graph_config) X(avfilter_graph_create_filter) \
    X(avfilter_graph_free) X(avfilter_link)
#define AV_LOAD_DEVICE(X) \
    X(avdevice_register_all)
#define AV_LOAD_RESAMPLE(X) \
    X(swr_alloc_set_opts2) X(swr_convert) X(swr_free) X(swr_get_delay) X(swr_init)
/* clang-format on */

#define AV_LOAD_MEMBER(name) __typeof__(&name) name;
struct av {
    AV_LOAD_UTIL(AV_LOAD_MEMBER)
    AV_LOAD_CODEC(AV_LOAD_MEMBER)
    AV_LOAD_FORMAT(AV_LOAD_MEMBER)
    AV_LOAD_SCALE(AV_LOAD_MEMBER)
    AV_LOAD_FILTER(AV_LOAD_MEMBER)
    AV_LOAD_DEVICE(AV_LOAD_MEMBER)
    AV_LOAD_RESAMPLE(AV_LOAD_MEMBER)
};
#undef AV_LOAD_MEMBER

/* Opens libavutil, libavcodec, libavformat and libswscale if they are not open yet. NULL: FM_ERR_UNSUPPORTED with what is missing.
 * The table is filled once and read only afterwards. Any thread. */
const struct av *av_load(struct fm_error *error);
/* The same table; NULL when no video was opened yet or FFmpeg is not there. Any thread. */
const struct av *av_loaded(void);
/* Opens what av_load leaves out. FM_OK or FM_ERR_UNSUPPORTED. Any thread; av_load has succeeded. */
int av_load_filters(struct fm_error *error);
int av_load_devices(struct fm_error *error);
int av_load_resample(struct fm_error *error);

/* Why FFmpeg's call failed, on one line: what it said on this thread since av_load_listen, else the name of `code` (an AVERROR). */
void av_load_listen(void);
bool av_load_heard(void); /* was anything said since? */
void av_load_reason(int code, char *text, size_t size);
/* The fm_err that an AVERROR is: FM_ERR_NOMEM, FM_ERR_FORMAT (invalid data), FM_ERR_UNSUPPORTED (no decoder, no protocol ...),
 * FM_ERR_CANCELLED (AVERROR_EXIT), FM_ERR_EOS, FM_ERR_ARGUMENT (unknown option), FM_ERR_IO for the rest. */
int av_load_code(int code);

#endif
