// Package initramfs assembles what a guest boots into: a base image with PID 1 and u-root's commands, which u-root's image
// builder makes from this module's own source, and a payload with the files of one cell.
//
// It must never know which kernel boots the image, nor what a frame of PID 1 means.
package initramfs
